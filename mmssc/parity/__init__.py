"""The judge of fidelity: a method is compared with the figures of its official code."""
