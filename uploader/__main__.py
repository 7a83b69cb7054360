"""`python -m uploader`."""

from uploader.cli.main import main

if __name__ == "__main__":
    main()
