package main

// layout says what is measured, and how it is reported.
type layout struct {
	rounds rounds
	// peers in the order of the report. Bound and other are those that Sundog is compared with.
	peers                  []string
	bound, other           string
	boundTitle, otherTitle string
	operations, processes  []string
	rules                  []rule
}

// rule is an aim before it is measured.
type rule struct {
	operation, other string
	most             float64
}

// The aims, as ratios.
const (
	aimBound    = 1.1 // creating and destroying
	aimNoop     = 1.5 // a no-op, against Compose's
	aimChange   = 1.3 // changing or removing one, against the bare calls for it
	aimSequence = 1.2
	aimEmpty    = 1.5 // a no-op through the CLI, against one empty resource
	// emptyServices is the size for which the last one is meant.
	emptyServices = 50
	// On Kubernetes.
	aimKubectl     = 1.05
	aimKubectlNoop = 0.2
	aimHelmNoop    = 0.5
)

func (s *settings) layout() layout {
	if s.backend == backendKubernetes {
		return layout{
			rounds: rounds{{1, 4}, {10, 4}, {50, 3}},
			peers:  []string{peerKubectl, peerHelm, peerEngine, peerTofu},
			bound:  peerKubectl, other: peerHelm, boundTitle: "to kubectl", otherTitle: "to Helm",
			operations: lifecycle, processes: []string{peerKubectl, peerHelm, peerEngine, peerTofu, memoryProvider},
			rules: []rule{
				{opCreate, peerKubectl, aimKubectl}, {opNoop, peerKubectl, aimKubectlNoop}, {opNoop, peerHelm, aimHelmNoop}, {opDestroy, peerKubectl, aimKubectl},
			},
		}
	}
	return layout{
		rounds: rounds{{1, 6}, {10, 4}, {50, 3}, {200, 2}},
		peers:  []string{peerBare, peerCompose, peerEngine, peerTofu},
		bound:  peerBare, other: peerCompose, boundTitle: "to the bound", otherTitle: "to Compose",
		operations: append(append([]string{}, lifecycle...), opSequence), processes: []string{peerCompose, peerEngine, peerTofu, memoryProvider},
		rules: []rule{
			{opCreate, peerBare, aimBound},
			{opCreate, peerCompose, 1},
			{opNoop, peerCompose, aimNoop},
			{opChange, peerBare, aimChange},
			{opDestroy, peerBare, aimBound},
			{opDestroy, peerCompose, 1},
			{opSequence, peerBare, aimSequence},
		},
	}
}
