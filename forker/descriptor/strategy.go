package descriptor

// Strategy says what a fork does with a resource.
type Strategy string

// The strategies.
const (
	Clone      Strategy = "clone"      // a new resource in the sandbox account
	Substitute Strategy = "substitute" // a stand-in, or the service's own container, in the enclave
	Share      Strategy = "share"      // production's own, read
	Stub       Strategy = "stub"       // the same shape with a fake value
	Skip       Strategy = "skip"       // nothing, with a reason
)

// Data modes of a rule.
const (
	DataNone   = "none"
	DataSchema = "schema"
	DataSample = "sample"
	DataFull   = "full"
)
