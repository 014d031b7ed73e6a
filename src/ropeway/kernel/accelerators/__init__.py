"""Accelerators in a kernel: what is here, frameworks set up for it, who holds its memory."""
