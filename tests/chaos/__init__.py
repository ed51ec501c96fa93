"""Everything that can be killed is killed; afterwards the ledger is checked."""
