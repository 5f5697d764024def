"""Is anyone's verifier lossless?"""
