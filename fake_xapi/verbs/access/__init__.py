"""The verbs of access control: subjects, roles, directories, secrets, certificates."""
