"""What must be true after a rehearsal, whatever was done to the cell: pure functions over the views of XenAPI and of the REST API."""
