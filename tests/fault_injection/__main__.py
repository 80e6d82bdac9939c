"""`python -m tests.fault_injection`; forked processes don't import a module of this name."""

from tests.fault_injection.run_matrix import main

if __name__ == "__main__":
    main()
