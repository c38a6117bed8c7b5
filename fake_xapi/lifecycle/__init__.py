"""What may be done to an object, and why not: one table and one ordered list of guards per class.

Pure: it reads rows and may not know verbs, sessions or time.
"""
