package plan

// Imperative is an operation that does something, where the others say what there is to be. It is carried out once and
// again only where something that it depends on has changed.
type Imperative interface {
	Operation
	// StepID is the producer name under which its results are referred to. It counts places: it is another one once an
	// instruction on the same service is put before it.
	StepID() string
	// RunsAgain tells when it runs again.
	RunsAgain() Rerun
	// WithoutPlace gives a copy that has no ID, so that two of them are equal if they do the same, wherever they stand.
	WithoutPlace() Operation
}

var (
	_ Imperative = (*Exec)(nil)
	_ Imperative = (*Request)(nil)
	_ Imperative = (*Wait)(nil)
	_ Imperative = (*StoreServiceFiles)(nil)
	_ Imperative = (*RunTask)(nil)
)

// StepID implements Imperative.
func (o *Exec) StepID() string { return o.ID }

// StepID implements Imperative.
func (o *Request) StepID() string { return o.ID }

// StepID implements Imperative.
func (o *Wait) StepID() string { return o.ID }

// StepID implements Imperative.
func (o *StoreServiceFiles) StepID() string { return o.ID }

// StepID implements Imperative.
func (o *RunTask) StepID() string { return o.ID }

// RunsAgain implements Imperative.
func (o *Exec) RunsAgain() Rerun { return o.Rerun }

// RunsAgain implements Imperative.
func (o *Request) RunsAgain() Rerun { return o.Rerun }

// RunsAgain implements Imperative.
func (o *Wait) RunsAgain() Rerun { return o.Rerun }

// RunsAgain implements Imperative.
func (o *StoreServiceFiles) RunsAgain() Rerun { return o.Rerun }

// RunsAgain implements Imperative.
func (o *RunTask) RunsAgain() Rerun { return o.Rerun }

// WithoutPlace implements Imperative.
func (o *Exec) WithoutPlace() Operation {
	copied := *o
	copied.ID = ""
	return &copied
}

// WithoutPlace implements Imperative.
func (o *Request) WithoutPlace() Operation {
	copied := *o
	copied.ID = ""
	return &copied
}

// WithoutPlace implements Imperative.
func (o *Wait) WithoutPlace() Operation {
	copied := *o
	copied.ID = ""
	return &copied
}

// WithoutPlace implements Imperative.
func (o *StoreServiceFiles) WithoutPlace() Operation {
	copied := *o
	copied.ID = ""
	return &copied
}

// WithoutPlace implements Imperative.
func (o *RunTask) WithoutPlace() Operation {
	copied := *o
	copied.ID = ""
	return &copied
}
