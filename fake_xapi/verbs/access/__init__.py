"""The verbs of access: subjects, roles, directories, secrets, certificates."""
