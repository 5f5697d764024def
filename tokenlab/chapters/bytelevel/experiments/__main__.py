"""The command ``python -m tokenlab.chapters.bytelevel.experiments <name>``."""

from tokenlab.chapters.bytelevel.experiments import main

if __name__ == "__main__":
    main()
