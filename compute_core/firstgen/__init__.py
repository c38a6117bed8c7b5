"""From the first generation to the second: moves VMs from Xen hosts (xm, LVM, kernels outside the images) to XenServer hosts."""
