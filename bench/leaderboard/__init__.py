"""The leaderboard: its columns and rows, the ranking, and what it takes to get into it and to be measured again."""
