"""What the notebooks stage with real threads and real faults, and the ledger counts."""
