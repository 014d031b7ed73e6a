"""The functions that a query may call: analysis of values, and nothing that looks elsewhere.

Left out on purpose: everything that reads files (`read_csv`, `read_text`, `glob`), settings and
the catalog (`current_setting`, `duckdb_views`), that runs text as SQL (`query`,
`json_execute_serialized_sql`), that waits (`sleep_ms`) or speaks through an error (`error`).
"""

from __future__ import annotations

_AGGREGATES = """
any_value approx_count_distinct approx_quantile approx_top_k arg_max arg_min array_agg avg
bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star countif covar_pop
covar_samp entropy favg first fsum geomean geometric_mean group_concat grouping grouping_id
histogram kurtosis kurtosis_pop last list listagg mad max max_by mean median min min_by mode
product quantile quantile_cont quantile_disc regr_avgx regr_avgy regr_count regr_intercept
regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev stddev_pop stddev_samp
string_agg sum sum_no_overflow sumkahan var_pop var_samp variance
"""

_WINDOWS = """
cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank
rank_dense row_number
"""

_NUMBERS = """
+ - * / // % ^ ** & | << >> ~ ! @ abs acos acosh add asin asinh atan atan2 atanh bit_count cbrt
ceil ceiling cos cosh cot degrees divide e even exp factorial floor fmod gamma gcd
greatest_common_divisor isfinite isinf isnan lcm least_common_multiple lgamma ln log log10 log2
mod multiply nextafter pi pow power radians random round round_even roundbankers sign signbit
sin sinh sqrt subtract tan tanh trunc width_bucket xor
"""

_TEXTS = """
|| ~~ !~~ ~~* !~~* ~~~ ^@ ascii bar base64 bin char_length character_length chr concat concat_ws
contains damerau_levenshtein editdist3 ends_with format formatreadablesize from_base64 hamming
hash hex ilike_escape instr jaccard jaro_similarity jaro_winkler_similarity lcase left
left_grapheme len length levenshtein like_escape lower lpad ltrim md5 mismatches nfc_normalize
not_ilike_escape not_like_escape ord position prefix printf regexp_escape regexp_extract
regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array replace
reverse right right_grapheme rpad rtrim sha1 sha256 split split_part starts_with str_split
str_split_regex string_split string_split_regex string_to_array strip_accents strlen strpos
substr substring substring_grapheme suffix to_base to_base64 to_hex translate trim ucase unbin
unhex unicode upper url_decode url_encode
"""

_TIMES = """
age century current_date current_timestamp date_add date_diff date_part date_sub date_trunc
datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear decade epoch
epoch_ms epoch_ns epoch_us era hour isodow isoyear julian last_day make_date make_time
make_timestamp make_timestamptz microsecond millennium millisecond minute month monthname now
quarter second strftime strptime time_bucket timezone timezone_hour timezone_minute to_centuries
to_days to_decades to_hours to_microseconds to_milliseconds to_minutes to_months to_quarters
to_seconds to_timestamp to_weeks to_years today try_strptime week weekday weekofyear year
yearweek
"""

_NESTED = """
-> ->> array_aggregate array_append array_apply array_cat array_concat array_contains
array_distinct array_extract array_filter array_has array_has_all array_has_any array_indexof
array_intersect array_length array_position array_reduce array_reverse array_reverse_sort
array_slice array_sort array_to_string array_transform array_unique array_value cardinality
element_at filter flatten generate_series json json_array_length json_contains json_exists
json_extract json_extract_path json_extract_path_text json_extract_string json_keys json_object
json_array json_structure json_type json_valid json_value list_aggregate list_any_value
list_append list_apply list_avg list_cat list_concat list_contains list_count list_distinct
list_element list_extract list_filter list_first list_has list_has_all list_has_any
list_indexof list_intersect list_last list_max list_median list_min list_pack list_position
list_prepend list_product list_reduce list_reverse list_reverse_sort list_select list_slice
list_sort list_string_agg list_sum list_transform list_unique list_value list_where list_zip map
map_contains map_entries map_extract map_extract_value map_from_entries map_keys map_values
range row struct_extract struct_insert struct_pack to_json typeof union_extract union_tag
unnest unpivot_list
"""

_CHOICES = """
alias case cast coalesce constant_or_null greatest if ifnull isnull least not nullif notnull
try_cast
"""

AGGREGATES = frozenset(_AGGREGATES.split())

WINDOWS = frozenset(_WINDOWS.split())

FUNCTIONS = frozenset(
    (*AGGREGATES, *WINDOWS, *" ".join((_NUMBERS, _TEXTS, _TIMES, _NESTED, _CHOICES)).split())
)
"""Scalar, aggregate and window functions and operators, in small letters."""

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
"""Functions that may stand after `from`."""

_CLOCK_AND_CHANCE = """
age current_date current_localtime current_localtimestamp current_time current_timestamp
get_current_time get_current_timestamp localtime localtimestamp now random today
transaction_timestamp
"""

VOLATILE = frozenset(_CLOCK_AND_CHANCE.split())
"""What answers differently each time; some can be written like a column."""

BARE = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
)
"""Those of them that are called without brackets, and look like a column."""
