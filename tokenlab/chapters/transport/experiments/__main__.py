"""The command ``python -m tokenlab.chapters.transport.experiments <name>``."""

from tokenlab.chapters.transport.experiments import main

if __name__ == "__main__":
    main()
