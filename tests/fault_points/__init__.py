"""A proof: the process is killed at every fault point and at every boundary of a request, and nothing comes of it."""
