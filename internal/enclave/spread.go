package enclave

// Spread is a Backend whose services start elsewhere, on machines of their own: who starts many of them at the same time only
// waits for them, while on one machine they would get in each other's way.
type Spread interface {
	// StartsAtOnce is how many services are started at the same time where nobody says otherwise.
	StartsAtOnce() int
}
