"""Speed, size and memory, each as a ratio to another program in the same run: ``make bench``."""
