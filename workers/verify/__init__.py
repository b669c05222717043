"""What `headrace verify` does: bucket, ledger, notes, answers and manifests are compared, and nothing is written.

Facts are gathered at the edge (gathering, strangers), and judged by pure functions (checks, payments, publications).
"""
