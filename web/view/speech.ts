/** The texts of the page's language, for every part of the page. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { en } from "../texts/en.ts";
import { ko } from "../texts/ko.ts";
import type { Texts } from "../texts/texts.ts";
import type { Language } from "./language.ts";

export const TEXTS: Readonly<Record<Language, Texts>> = { en, ko };

export const Speech = createContext<Texts>(en);

export function useTexts(): Texts {
  return useContext(Speech);
}
