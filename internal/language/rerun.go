package language

import "github.com/sundog-dev/terraform-provider-sundog/internal/plan"

// rerunChanged is how a package writes plan.RerunChanged.
const rerunChanged = "changed"

var rerunWord = oneOf(rerunChanged, string(plan.RerunAlways), string(plan.RerunOnce))

// newRerun is a parameter of all instructions that do something instead of describing something.
func newRerun() *param[string] {
	return optional("rerun", rerunWord, rerunChanged, `"changed"`, "When a later run carries it out again: `changed` when it, an "+
		"earlier instruction on the same service or the service itself changed, `always` each time, `once` never again in this enclave "+
		"once it has succeeded.").own()
}

func rerunOf(word string) plan.Rerun {
	if word == rerunChanged {
		return plan.RerunChanged
	}
	return plan.Rerun(word)
}
