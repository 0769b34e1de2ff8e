"""The process of `workers.relay`, armed."""

from gateway.dev.torture.armed import arm
from workers.relay import main

if __name__ == "__main__":
    arm()
    main()
