"""What must be true after a rehearsal, whatever was done to the cell: pure functions over what XenAPI and the REST API say."""
