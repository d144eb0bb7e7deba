package descriptor

// Class says what a read of production gives away.
type Class int

const (
	// Meta operations return configuration and are always allowed.
	Meta Class = iota + 1
	// Data operations return customer data or secrets and are allowed only where a resource's rule asks for data.
	Data
)

// String names the class as the reference texts do.
func (c Class) String() string {
	switch c {
	case Meta:
		return "meta"
	case Data:
		return "data"
	default:
		return "forbidden"
	}
}

// Operation is one row of the table of reads. What is in no row is forbidden.
type Operation struct {
	// Name as the API has it, for example "GetQueueAttributes".
	Name  string
	Class Class
	// Actions are the IAM actions that it needs, for example "sqs:GetQueueAttributes".
	Actions []string
	// DataWhen raises a Meta row to Data for some inputs, for example when decryption is asked for. The input is the
	// SDK's typed input. It may be nil.
	DataWhen func(input any) bool
	// DataField is the same for the signed request, where only the JSON body is at hand: the row counts as Data when
	// this top-level field of the body is true.
	DataField string
}
