"""`python -m tests.stateful`."""

from tests.stateful.run_attack import main

if __name__ == "__main__":
    main()
