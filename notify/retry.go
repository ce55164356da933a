package notify

import "time"

// maxAttempts ends the attempts for one mail after about five days.
const maxAttempts = 34

// retryDelay says how long to wait after attempt number n (1 for the first),
// and whether to try again at all. random is from 0 to 1 and spreads the
// delay by a tenth to either side, so that mails that failed together don't
// return together.
func retryDelay(n int, random float64) (time.Duration, bool) {
	delay := 4 * time.Hour
	switch {
	case n <= 1:
		delay = time.Minute
	case n == 2:
		delay = 5 * time.Minute
	case n == 3:
		delay = 15 * time.Minute
	case n == 4:
		delay = time.Hour
	}
	return time.Duration(float64(delay) * (0.9 + 0.2*random)), n < maxAttempts
}
