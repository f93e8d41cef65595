# bash completion for schedctl: what may follow is said by schedctl itself.

# The words of the line up to the cursor, into words, and what bash puts its
# answer in the place of, into piece. bash splits at = and : too, which are
# parts of our words: what stood together comes together again.
_schedctl_words()
{
	local i rest=${COMP_LINE:0:COMP_POINT}

	words=()
	for ((i = 0; i <= COMP_CWORD; i++)); do
		case $rest in
		[[:space:]]*) words+=('') ;;
		*) ((i > 0)) || words+=('') ;;
		esac
		rest=${rest#"${rest%%[![:space:]]*}"}
		piece=${COMP_WORDS[i]}
		((i < COMP_CWORD)) || piece=$rest
		words[-1]+=$piece
		rest=${rest#"$piece"}
	done
	case $piece in
	[=:]*) piece='' ;;
	esac
}

# The words as schedctl would get them, as far as that is plain.
_schedctl_unquote()
{
	local i

	for i in "${!words[@]}"; do
		case ${words[i]} in
		\'*\' | \"*\") words[i]=${words[i]:1:-1} ;;
		\~/*) words[i]=$HOME/${words[i]:2} ;;
		esac
	done
}

_schedctl()
{
	local words piece line front files=()

	_schedctl_words
	front=${words[-1]%"$piece"}
	_schedctl_unquote
	COMPREPLY=()
	while IFS= read -r line; do
		if [[ $line == $'\t'* ]]; then
			compopt -o filenames
			mapfile -t files < <(compgen -f -- "$piece")
		else
			line=${line%%$'\t'*}
			[[ $line != *= ]] || compopt -o nospace
			COMPREPLY+=("${line#"$front"}")
		fi
	done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
	COMPREPLY+=("${files[@]}")
}

complete -F _schedctl schedctl
