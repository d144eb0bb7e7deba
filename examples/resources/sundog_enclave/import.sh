# The id is the backend and the enclave's name.
tofu import sundog_enclave.dev docker/dev
