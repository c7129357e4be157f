"""Synthetic furnished rooms in the layouts of NYU and NYUCAD."""
