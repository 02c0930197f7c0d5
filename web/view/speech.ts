/** The texts of the page's language, for every part of the page. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { en } from "../i18n/en.ts";
import { ko } from "../i18n/ko.ts";
import type { Texts } from "../i18n/texts.ts";
import type { Language } from "./language.ts";

export const TEXTS: Readonly<Record<Language, Texts>> = { en, ko };

export const Speech = createContext<Texts>(en);

export function useTexts(): Texts {
  return useContext(Speech);
}
