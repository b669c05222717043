"""Making a lost ledger anew from what is in the bucket: notes, the runs' own files, manifests. Nothing is paid."""
