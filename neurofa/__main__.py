"""``python -m neurofa`` does what the command ``neurofa`` does."""

from neurofa.cli import main

if __name__ == "__main__":
    main()
