package descriptor

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"
)

// ErrGone tells that a resource is not there, as opposed to "could not ask".
var ErrGone = errors.New("the resource is not there")

// ErrForeignAccount tells that a copy's name belongs to another account.
var ErrForeignAccount = errors.New("the resource belongs to another account")

// HasCode tells whether an error is an API error with one of the given codes.
func HasCode(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode() == code {
			return true
		}
	}
	return false
}

// IsDenied tells whether an error says that the credentials may not do what they were asked to.
func IsDenied(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	code := api.ErrorCode()
	return strings.HasPrefix(code, "AccessDenied") || strings.HasPrefix(code, "Unauthorized") ||
		code == "AuthorizationError" || code == "AuthorizationErrorException" || code == "NotAuthorized" ||
		code == "Forbidden" || code == "AllAccessDisabled"
}

// Reason says in words why a call failed, without what differs from call to call, such as request ids.
func Reason(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err.Error()
	}
	text := api.ErrorCode()
	if message := api.ErrorMessage(); message != "" {
		text += ": " + message
	}
	if operation, ok := errors.AsType[*smithy.OperationError](err); ok {
		text = operation.Service() + " " + operation.Operation() + ": " + text
	}
	return text
}
