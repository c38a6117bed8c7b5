"""One suite that holds a simulator, a lab or a real XenServer to the same behaviour.

Knows the official `XenAPI` package, pytest and the standard library. May not know what answers at the URL: it imports no other
package of this project and takes nothing for granted that a real XenServer does not give.
"""
