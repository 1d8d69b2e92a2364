"""Settings of the process that must be made before PyTorch is loaded: import this first."""
import ctypes
import os

# Threads that wait for each other on a busy machine cost more than they bring.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

# The C library gives large blocks back to the system at once and asks for them anew, page by page: a third of a step.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
libc = ctypes.CDLL(None)
for setting in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
    libc.mallopt(setting, 2**31 - 1)
