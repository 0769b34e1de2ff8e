"""The ground the demo and the tests start on: ./run, embedded servers, the supervisor."""
