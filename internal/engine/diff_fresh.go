package engine

import "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"

// DiffFresh tells what an apply in an enclave that does not exist yet would do. It asks no backend.
func DiffFresh(request Request) ([]Decision, error) {
	if err := checkNames(request); err != nil {
		return nil, err
	}
	empty := &observation{snapshot: &enclave.Snapshot{Enclave: enclave.Enclave{Name: request.Enclave, Owner: request.Owner}}}
	return diff(request, empty, nil)
}
