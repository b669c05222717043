"""How many pages a document has, found out in a process that may be killed."""
