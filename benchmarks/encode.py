"""ffenc's own comparison with its peers: ``python benchmarks/encode.py [--quick] [--only SECTION]``; see `command`."""

if __name__ == "__main__":
    # Not at the top: the fresh interpreters of a run read this file again and are to load no more than they measure.
    from command import main

    main()
