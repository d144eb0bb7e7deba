package engine

import (
	"context"
	"fmt"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// notShown stands for what a description of a record leaves out.
const notShown = "(not shown: it may be a secret)"

// DescribeRecord gives the record of a run as JSON, for a report of what happened. The values that instructions returned
// and the output are left out, as they may be secrets; digests are keyed and tell nothing.
func (e *Engine) DescribeRecord(ctx context.Context, enclaveName, run string) ([]byte, error) {
	known, err := readRecord(ctx, e.backend, enclaveName, run)
	if err != nil {
		return nil, fmt.Errorf("read the record of run %q in enclave %q: %w", run, enclaveName, err)
	}
	if known == nil {
		return nil, fmt.Errorf("record of run %q in enclave %q: %w", run, enclaveName, enclave.ErrNotFound)
	}
	hide := func(value *typedValue) {
		if value.value != nil {
			value.value = notShown
		}
	}
	hide(&known.Output)
	for _, step := range known.Steps {
		for field, value := range step.Values {
			hide(&value)
			step.Values[field] = value
		}
	}
	return known.encode()
}
