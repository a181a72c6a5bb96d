"""`python -m app.cli`: what the image and the job supervisor start."""

from app.cli import main

if __name__ == "__main__":
    main()
