package main

import "context"

// world is what enclaves live in: a Docker engine or a Kubernetes cluster of our own. It is looked at without Sundog.
type world interface {
	// begin brings it up, with the image of the services in it, and opens the wire; end takes it down.
	begin(ctx context.Context, witness string) error
	end() error
	// wire stands between it and what is tested, which finds it by these variables.
	wire() *wire
	environment() []string
	// builds tells whether images are built on it.
	builds() bool

	// kinds are the ways to disturb there are; those that come more often stand there more than once.
	kinds() kinds
	// ready has it fit for a round, before which nothing is in it.
	ready(ctx context.Context, r round) error
	// strike carries out a disturbance of its own, if there is something to disturb before the end of what runs.
	strike(ctx context.Context, kind kind, ended <-chan struct{}) (struck bool, err error)
	// label names a disturbance of its own in the report.
	label(kind kind) string
	// excuses tells whether a service that a disturbance has had an effect on may have been replaced, or started again, by the
	// world itself.
	excuses(kind kind, service string) (replaced, started bool)
	// lost tells whether the world has lost host ports in this round, so that others were taken.
	lost() bool

	// observe reads everything that an undisturbed apply and a disturbed one must agree about.
	observe(ctx context.Context) (*state, error)
	// leftovers lists what Sundog has left, with its label or without any; remove removes that by force.
	leftovers(ctx context.Context) ([]object, error)
	remove(ctx context.Context, objects []object) error
}

// kinds are ways to disturb the companion command, and a CLI.
type kinds struct{ command, cli []kind }
