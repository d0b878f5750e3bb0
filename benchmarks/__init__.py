"""How fast detcnn is beside the tools of today and beside what the machine allows.

``make bench`` runs all of it; ``python -m benchmarks projection loading`` some. Every comparison
runs its contenders in turn, A B C A B C, so that a machine that slows down slows all of them.
"""
