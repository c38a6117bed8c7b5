"""The verbs of storage: SRs and their drivers, PBDs, VDIs and the chains that they stand in, VBDs."""
