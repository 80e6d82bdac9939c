"""`python -m tests.faults.matrix`: processes that are forked don't import a module of this name."""

from tests.faults.matrix.run_matrix import main

if __name__ == "__main__":
    main()
