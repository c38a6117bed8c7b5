"""The verbs of storage: SRs and their drivers, PBDs, VDIs and the chains they form, VBDs."""
