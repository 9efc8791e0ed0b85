"""`python -m stepcare`: the command line."""

from stepcare.cli import main

if __name__ == "__main__":
    main()
