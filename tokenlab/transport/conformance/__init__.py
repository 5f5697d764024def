"""Is anyone's verifier lossless, how far is it from the optimum, and which known mistake does it make?"""
