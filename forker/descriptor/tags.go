package descriptor

// Tags that everything has that a fork makes, from the same vocabulary as the labels in an enclave.
const (
	TagManagedBy = "sundog.dev/managed-by"
	TagFork      = "sundog.dev/fork"
	// TagSource holds a hash of production's ARN, which tells copies apart without naming production.
	TagSource = "sundog.dev/source"
	TagOwner  = "sundog.dev/owner"
	// ManagedBy is the value of TagManagedBy.
	ManagedBy = "sundog"
)
