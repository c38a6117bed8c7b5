"""What runs in the dom0 of a real XenServer: one XenAPI plugin for what XenAPI itself cannot do.

Python 3.6 with its standard library is all that a dom0 has, so this package keeps to both and imports nothing else of the product. It is
packed into one executable file (``xenapi/dom0_bundle.py``) that XAPI starts anew for each call.
"""

VERSION = "1.1"
"""Compatible when the first number is the same."""
