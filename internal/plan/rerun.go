package plan

// Rerun says when an imperative instruction runs again. It is no part of what the instruction does, so changing it alone
// runs nothing.
type Rerun string

const (
	// RerunChanged runs an instruction again when it, an earlier one on the same service or the service itself changed.
	RerunChanged Rerun = ""
	// RerunAlways runs an instruction in every apply.
	RerunAlways Rerun = "always"
	// RerunOnce never runs an instruction again in its enclave once it has succeeded.
	RerunOnce Rerun = "once"
)

// RerunOf tells when an operation runs again; for one that is not imperative it has no meaning.
func RerunOf(operation Operation) Rerun {
	if imperative, ok := operation.(Imperative); ok {
		return imperative.RunsAgain()
	}
	return RerunChanged
}
