"""The operator's own API: hosts as wholes, which Nova's API has given up. One module per resource."""
