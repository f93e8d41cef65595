#compdef schedctl
# zsh completion for schedctl: what may follow is said by schedctl itself.

local line word means
local -a before found open

before=("${(@Q)words[1,CURRENT-1]}")
before=("${(@)before/#\~\//$HOME/}")
while IFS= read -r line; do
	word=${line%%$'\t'*}
	means=${line#*$'\t'}
	if [[ -z $word ]]; then
		[[ $PREFIX != --*=* ]] || compset -P '*='
		_files
	else
		# A colon would end the word in the list of _describe.
		means=${word//:/\\:}${means:+:$means}
		[[ $word == *= ]] && open+=($means) || found+=($means)
	fi
done < <("${before[1]}" __complete "${(@)before[2,-1]}" "${(Q)PREFIX}" 2>/dev/null)

(( ! $#open )) || _describe -V schedctl open -S ''
(( ! $#found )) || _describe -V schedctl found
